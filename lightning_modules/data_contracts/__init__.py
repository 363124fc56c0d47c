"""What data modules hand to methods: batch types and protocols."""
