"""Parts of the agent workflow: progress, tool calls, decisions, compaction, and continue-as-new."""
