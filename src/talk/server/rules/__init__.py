"""What the server decides, free of I/O: a command in, answers and changes out."""
