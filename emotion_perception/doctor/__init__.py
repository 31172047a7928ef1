"""`emotion-perception doctor`: what an installation has, what it lacks, and what to do about it."""
