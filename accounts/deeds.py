"""What people do about people, roles and restaurants, by the names that the audit keeps."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

PERSON: Final = "person"  # Whose role, password or second factor it is about, too: one search finds all of it.


class PersonDeed(StrEnum):
    CREATE = "create_person"
    EDIT = "edit_person"
    LET_IN = "let_person_in"
    SHUT_OUT = "shut_person_out"
    SET_PASSWORD = "set_password"  # noqa: S105  A deed's name.
    SIGN_OUT = "sign_out"
    GIVE_ROLE = "give_role"
    CHANGE_ROLE = "change_role"
    TAKE_ROLE = "take_role"
    SET_UP_FACTOR = "set_up_second_factor"
    TAKE_OFF_FACTOR = "take_off_second_factor"
    RENEW_CODES = "renew_recovery_codes"


class HouseDeed(StrEnum):
    CREATE_RESTAURANT = "create_restaurant"
    EDIT_RESTAURANT = "edit_restaurant"
    CREATE_GROUP = "create_group"
    EDIT_GROUP = "edit_group"
    DELETE_GROUP = "delete_group"
    CREATE_SUPERUSER = "create_superuser"  # In a shell.


class KeyDeed(StrEnum):
    ISSUE = "issue_api_key"
    ROTATE = "rotate_api_key"
    REVOKE = "revoke_api_key"


# After one of these whoever did it could sign in as the other one, or has a program's key.
TAKING_OVER: Final = (
    PersonDeed.LET_IN,
    PersonDeed.SET_PASSWORD,
    PersonDeed.TAKE_OFF_FACTOR,
    KeyDeed.ISSUE,
    KeyDeed.ROTATE,
)
# After these the other one is there, or may decide, because of whoever did it. The first day of a restaurant has many:
# two whom a third one made are two.
SETTING_UP: Final = (*TAKING_OVER, PersonDeed.CREATE, PersonDeed.GIVE_ROLE, PersonDeed.CHANGE_ROLE)
