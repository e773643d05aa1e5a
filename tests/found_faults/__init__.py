"""The inputs by which faults were found, each run as the file that it is: it has to end as is right."""
