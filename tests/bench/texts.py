"""The texts that both sides carry: a question, three passages of about sixty words, and an answer."""

QUESTION = "How many weeks of parental leave are paid in full?"

ANSWER = "Twenty weeks of parental leave are paid in full, at the salary of the last month before the leave."

PASSAGES = tuple(
    f"Leave > Chapter {number}\n"
    f"Employees of site {number} who become parents may take {20 + number} weeks of leave that are paid in full. "
    "The weeks are counted from the day of the birth or of the adoption, and public holidays within them do not add to "
    "them. The leave is asked for in writing, at least six weeks before it begins, and the manager confirms it within "
    "ten working days."
    for number in range(3)
)
