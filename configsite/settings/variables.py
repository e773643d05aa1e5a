"""The variables of the environment, read once per process, for the modules in this folder."""

from configsite import env

VARIABLES = env.read_site()
