"""What a run writes and reads: one format a file, its reader beside its writer."""
