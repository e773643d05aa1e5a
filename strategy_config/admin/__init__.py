"""The admin that traders work in: words and URLs, above them forms and documents, then ``pages/``, on top the site.

Imports services, selectors and what they stand on; never the API or the tasks.
"""
