"""The variables of the environment, read once a process, for the modules beside this one."""

from configsite import env

VARIABLES = env.read_site()
