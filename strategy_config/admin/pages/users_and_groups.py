"""Users and groups in the theme. Rights come with the groups; only a superuser makes superusers."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.models import Group, User
from django.db.models import ManyToManyField
from django.forms import CheckboxSelectMultiple
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from strategy_config.admin.times import when

_OF_USE = ("strategyconfig", "symboloverride", "configaudit", "user", "group")
_DATES = ("Dates", {"fields": ("last_seen", "joined")})
_RIGHTS = ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups")})


class UserAdmin(auth_admin.UserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]  # the theme ships no type hints
    """A user. Only a superuser can make or change a superuser here."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_staff", "last_seen")
    list_filter = ("groups", "is_active")
    filter_horizontal = ()
    formfield_overrides: ClassVar = {ManyToManyField: {"widget": CheckboxSelectMultiple}}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only superusers grant rights beyond the groups; the dates are never edited."""
        fields = (*super().get_readonly_fields(request, obj), "last_seen", "joined")
        return fields if request.user.is_superuser else (*fields, "is_superuser")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Rights come with the groups: none are granted one by one."""
        sections = super().get_fieldsets(request, obj)
        own = {"groups": _RIGHTS, "last_login": _DATES}
        return [next((own[key] for key in own if key in each[1]["fields"]), each) for each in sections]

    @admin.display(description="Last login", ordering="last_login")
    def last_seen(self, user: User) -> str:
        """When, in the form of every other page."""
        return when(user.last_login)

    @admin.display(description="Joined", ordering="date_joined")
    def joined(self, user: User) -> str:
        """When, in the form of every other page."""
        return when(user.date_joined)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only a superuser may change a superuser."""
        return _may_touch(request, obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only a superuser may delete a superuser."""
        return _may_touch(request, obj) and bool(super().has_delete_permission(request, obj))


class GroupAdmin(auth_admin.GroupAdmin, ModelAdmin):  # type: ignore[misc]  # the theme ships no type hints
    """A group and what its members may do: only those of Django's permissions that open something here."""

    filter_horizontal = ()
    formfield_overrides: ClassVar = {ManyToManyField: {"widget": CheckboxSelectMultiple}}

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any) -> Any:
        """The choices, named as people would."""
        field: Any = super().formfield_for_manytomany(db_field, request, **kwargs)
        field.queryset = field.queryset.filter(content_type__model__in=_OF_USE).order_by("content_type", "id")
        field.label_from_instance = lambda permission: permission.name
        return field


def register(site: AdminSite) -> None:
    """Put both in the place of Django's own pages."""
    for model, page in ((User, UserAdmin), (Group, GroupAdmin)):
        if site.is_registered(model):
            site.unregister(model)
        site.register(model, page)


def _may_touch(request: HttpRequest, obj: Any) -> bool:
    return obj is None or not obj.is_superuser or bool(request.user.is_superuser)
