"""Documents as their authors wrote them: Markdown, HTML and PDF become titled sections of plain text."""
