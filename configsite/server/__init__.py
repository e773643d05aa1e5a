"""How the site is served: ``python -m configsite.server``, granian's HTTP with our own way from a request to Django.

granian gives a WSGI application a thread for every request whose headers have arrived, and waits for the body in that
thread: as many slow bodies as there are threads, from any client, block everyone. Here a body is received without a
thread, with limits on time and length, before the application is called (`bodies`); probes and stops have threads that
nothing else can take (`lanes`). granian's event loop, which its asynchronous interfaces need, is not used: the way
through it cost each request a tenth of its time, and the cached configuration a quarter.
"""
