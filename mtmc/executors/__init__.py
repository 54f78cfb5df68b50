"""Where the cameras' jobs are carried out: on this machine or on many; one way a file."""
