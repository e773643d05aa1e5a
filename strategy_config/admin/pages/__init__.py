"""One module a page: it parses, makes one service or selector call, renders, and names its routes in ``PAGES``.

May import everything of the admin but ``site``, and no other page.
"""
