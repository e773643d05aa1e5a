"""The admin that traders work in: one file a page, on the theme django-unfold.

A page is a function ``view(request, ...)`` named in a tuple ``PAGES`` of its file (``pages.Page``), which ``site.py``
collects. It parses, calls services and selectors, and renders a template that extends ``console/base.html``. No rule
stands here. Shared: ``pages`` (guard, context, origin of a change), ``navigation``, the components in
``templates/console/components/`` and the tags of ``templatetags/console.py``.
"""
