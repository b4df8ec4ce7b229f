"""The cast itself: everybody is in the right org, with the right level."""

import pytest
from django.core.cache import cache

from accounts.models import Level
from datastores.models import Datastore
from tests import factories


@pytest.mark.parametrize("level", list(Level))
def test_a_member_of_a_level_has_that_level_and_no_higher(level, cast, datastore):
    member = cast[level.label]
    assert [other for other in Level if datastore in Datastore.objects.visible_to(member, level=other)] == [x for x in Level if x <= level]


def test_the_stranger_has_no_level_and_the_outsider_sees_only_the_other_org(cast, datastore, other_datastore):
    assert list(Datastore.objects.visible_to(cast["stranger"])) == []
    assert list(Datastore.objects.visible_to(cast["outsider"])) == [other_datastore]
    assert list(Datastore.objects.visible_to(cast["admin"])) == [datastore]


def test_users_log_in_with_the_common_password(client, viewer):
    assert client.login(username=viewer.email, password=factories.PASSWORD)


@pytest.mark.parametrize("value", [1, 2])
def test_the_cache_is_empty_at_the_start_of_each_test(value):
    assert cache.get("left-over") is None
    cache.set("left-over", value)
    assert cache.get("left-over") == value
