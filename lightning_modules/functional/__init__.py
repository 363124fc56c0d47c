"""The equations as pure functions: tensors in, tensors out.

Equation numbers are those of docs/theory.md; the other functions name their papers.

=================================  ================  =================
topic                              file              equations
=================================  ================  =================
GAN and WGAN losses                adversarial       1-3, 11, 34-35
divergences                        divergence        1, 4-12
optimal transport                  transport         15-28
Kantorovich duality                kantorovich       18-32
entropy-regularised transport      entropic
closed-form Wasserstein distances  closed_forms
weight clipping, gradient penalty  lipschitz         33, 36-40
slope on the optimal plan          slope             37
second derivatives of ReLU         piecewise
both derivatives in one pass       layered
mode coverage                      modes
memorisation                       two_sample
adaptation losses                  adaptation
proxy A-distance                   domain_distance
selection without target labels    selection
distances between points           distance          46
metric learning losses             metric_learning   47-50
mining of pairs and triplets       mining
collaborative metric learning      collaborative     51-56
its smooth hinge, fused            shared_hinge
top-k ranking and its metrics      ranking
=================================  ================  =================
"""
