"""Django's own apps as MongoDB needs them: its primary keys are ObjectIds, but these apps declare integer keys.

Their migrations are in `configsite.mongo_migrations`, made by `manage.py makemigrations admin auth contenttypes`
with MONGODB_URI set; repeat this when Django's own models change.
"""

from django.contrib.auth.apps import AuthConfig
from django.contrib.contenttypes.apps import ContentTypesConfig

from configsite.admin_apps import ConsoleConfig

OBJECT_ID = "django_mongodb_backend.fields.ObjectIdAutoField"


class MongoAdminConfig(ConsoleConfig):
    default_auto_field = OBJECT_ID


class MongoAuthConfig(AuthConfig):
    default_auto_field = OBJECT_ID


class MongoContentTypesConfig(ContentTypesConfig):
    default_auto_field = OBJECT_ID
