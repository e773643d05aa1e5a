"""How the site is served: ``python -m configsite.server``, granian's HTTP with our own way from a request to Django.

granian gives a WSGI application a thread for every request whose headers have come, and the body is waited for in it:
as many slow bodies as there are threads, from anybody, and nobody is answered. Here a body is received without a
thread, within a time and a length, before the application is called (`bodies`); probes and stops have threads that
nothing else can take (`lanes`). granian's event loop, which its asynchronous interfaces need, is left out: the way
through it and back cost each request a tenth, and the cached configuration a quarter.
"""
