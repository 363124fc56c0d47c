"""The contract between data modules and methods: batch types and protocols."""
