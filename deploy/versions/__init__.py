"""Which version of the platform's workers begins new runs, and which still have runs to end."""
