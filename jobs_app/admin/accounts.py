"""Users and groups, in the admin's own look; nobody raises themselves above their own permissions here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as PlainGroupAdmin
from django.contrib.auth.admin import UserAdmin as PlainUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from jobs_app.admin.auditing import Audited
from jobs_app.models import Artifact, Endpoint, Job, Refusal, SavedView, Token

admin.site.unregister(User)
admin.site.unregister(Group)

OWNED: tuple[type[Any], ...] = (Job, Artifact, Refusal, Token, SavedView, Endpoint)
"""What people have in the ledger. None of it is deleted by hand."""

POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")


@admin.register(User)
class UserAdmin(Audited, PlainUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    """Users. Who is no superuser may neither hand out powers nor touch an account with more of them."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter_submit = True
    compressed_fields = False

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str] | tuple[Any, ...]:
        """Powers are a superuser's to give."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if _superuser(request) else (*fields, *POWERS)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Not of an account with more powers than one's own; this guards the password page too."""
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """As for changing."""
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What would go with them. Who has used Weir stays; what they have is not gone through: it may be much."""
        kept = [f"{user} has used Weir: make the account inactive instead" for user in objs if _has_rows(user)]
        if kept:
            return [str(user) for user in objs], {}, set(), kept
        return super().get_deleted_objects(objs, request)


@admin.register(Group)
class GroupAdmin(Audited, PlainGroupAdmin, ModelAdmin):
    """Groups. Only superusers change them: a group's permissions are its members'."""

    compressed_fields = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return _superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Superusers."""
        return _superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Superusers."""
        return _superuser(request)


def _has_rows(user: User) -> bool:
    return any(model.objects.filter(owner=user).exists() for model in OWNED)


def _superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    """Whether who asks has every power of this account: who sets its password, or wakes it up, can take it over."""
    if user is None or _superuser(request):
        return True
    if user.is_superuser:
        return False
    # Asked of the tables: Django says that an account that is not active has no permissions.
    held = Permission.objects.filter(Q(user=user) | Q(group__user=user))
    powers = {f"{app}.{name}" for app, name in held.values_list("content_type__app_label", "codename")}
    return powers <= request.user.get_all_permissions()
