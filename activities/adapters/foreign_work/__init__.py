"""Work over foreign text, in processes that can be killed: a guard or a parser that runs away dies alone."""
