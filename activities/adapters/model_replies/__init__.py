"""The one reader of model replies: from a server's bytes to text, calls, reasoning, refusal, usage and the end."""
