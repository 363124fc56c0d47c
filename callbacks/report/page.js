"use strict";
// Charts: the values under the pointer; drag to zoom, double click for everything.
for (const figure of document.querySelectorAll("figure.chart")) {
  const { labels, points, box } = JSON.parse(figure.querySelector("script").textContent);
  const svg = figure.querySelector("svg"), tip = figure.querySelector(".tip");
  const lines = svg.querySelectorAll(".line"), marks = svg.querySelectorAll(".mark");
  const steps = [...marks].map((mark) => stepOf(parseFloat(mark.getAttribute("d").slice(1)) / 1000, box));
  let shown = box, start = null;

  function stepOf(share, [left, right]) { return left + share * (right - left); }
  function shareOf(event) {
    const area = svg.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - area.left) / area.width));
  }
  function axis(name, low, high) {
    const spans = [...figure.querySelectorAll(`.${name} span`)];
    if (name === "y") spans.reverse();
    spans.forEach((span, i) => {
      span.textContent = String(Number((low + (i * (high - low)) / (spans.length - 1)).toPrecision(4)));
    });
  }
  function draw() {
    const [left, right, bottom, top] = shown;
    lines.forEach((line, i) => {
      const at = points[i].map(([x, y]) =>
        `${((1000 * (x - left)) / (right - left)).toFixed(1)},${((1000 * (top - y)) / (top - bottom)).toFixed(1)}`);
      if (at.length === 1) at.push(at[0]);
      line.setAttribute("d", at.length ? "M" + at.join("L") : "");
    });
    marks.forEach((mark, i) => mark.setAttribute("d", `M${(1000 * (steps[i] - left)) / (right - left)},1000v-25`));
    axis("x", left, right);
    axis("y", bottom, top);
  }
  function zoom(left, right) {
    const inside = points.flat().filter(([x]) => x >= left && x <= right).map(([, y]) => y);
    if (inside.length < 2 || right <= left) return;
    const low = Math.min(...inside), high = Math.max(...inside);
    const margin = 0.05 * (high - low || Math.abs(high) || 1);
    shown = [left, right, low - margin, high + margin];
    draw();
  }
  function nearest(line, step) {
    return line.reduce((best, point) => (Math.abs(point[0] - step) < Math.abs(best[0] - step) ? point : best));
  }
  svg.addEventListener("pointermove", (event) => {
    const step = stepOf(shareOf(event), shown);
    tip.textContent = labels.map((label, i) => [label, points[i]]).filter(([, line]) => line.length)
      .map(([label, line]) => {
        const [x, y] = nearest(line, step);
        return labels.length > 1 ? `${x}: ${y}  ${label}` : `${x}: ${y}`;
      }).join("\n");
    tip.hidden = false;
  });
  svg.addEventListener("pointerleave", () => { tip.hidden = true; });
  svg.addEventListener("pointerdown", (event) => { start = shareOf(event); });
  svg.addEventListener("pointerup", (event) => {
    const end = shareOf(event);
    if (start !== null && Math.abs(end - start) > 0.02) {
      zoom(stepOf(Math.min(start, end), shown), stepOf(Math.max(start, end), shown));
    }
    start = null;
  });
  svg.addEventListener("dblclick", () => { shown = box; draw(); });
}

// Images: one step of a series at a time.
for (const figure of document.querySelectorAll("figure.images-of")) {
  const range = figure.querySelector("input"), images = figure.querySelectorAll("img");
  if (!range) continue;
  range.addEventListener("input", () => {
    images.forEach((image, i) => { image.hidden = i !== Number(range.value); });
    figure.querySelector("output").textContent = images[range.value].dataset.step;
  });
}
