"""The commands of `perdure`, grouped by what they work on."""
