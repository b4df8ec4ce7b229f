"""The pages that mails lead to: a first password, a new password, a new address; and the one that asks for such a mail."""

from abc import ABC, abstractmethod
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts import invitations, letters, people
from accounts.models import Letter, User
from accounts.pages.forms import AddressForm, ForgotForm, LinkForm, ResetForm, VerifyForm
from accounts.pages.login import RequestFormView, come_in, told_client
from accounts.passwords import reset_password
from accounts.permissions import has_role
from orgs.errors import DomainError, Forbidden, Invalid

BARE: Final = "This page needs the whole link of a mail. Open it from the mail again, or copy all of it."
OPEN = (login_not_required, never_cache, sensitive_post_parameters())


class LetterView(RequestFormView, ABC):
    """A form whose hidden fields come from the link of a mail. Opening the link changes nothing: mail scanners do that too.

    `account` is what tries are counted for, with the cleaned fields filled in; `words` say what will happen; `act` does the thing and
    answers, or raises DomainError.
    """

    template_name = "accounts/letter.html"
    title: str
    label: str
    account: str
    words = ""

    def get_initial(self) -> dict[str, Any]:
        return {name: self.request.GET.get(name, "") for name in ("email", "token", "code")}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        email = self.request.GET.get("email") or self.request.POST.get("email") or ""
        has_come_by_link = "token" not in self.form_class.base_fields or self.request.GET.get("token") or self.request.POST.get("token")
        words = self.words.format(email=email, user=self.request.user) if has_come_by_link else BARE
        return super().get_context_data(title=self.title, label=self.label, words=words, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            form.count(self.account.format(user=self.request.user, **form.cleaned_data).lower())
            return self.act(form.cleaned_data)
        except forms.ValidationError as exc:
            form.add_error(None, exc)
        except DomainError as exc:
            form.refuse(exc)
        return self.form_invalid(form)

    @abstractmethod
    def act(self, said: dict[str, str]) -> HttpResponse:
        """Does it with what was typed, and answers. Raises DomainError."""


@method_decorator(OPEN, name="dispatch")
class Verify(LetterView):
    """Sets the first password of who signed up or was invited, and logs in."""

    form_class = VerifyForm
    title, label, account = "Choose a password", "Come in", "verify:{email}"
    words = "For {email}. You are in as soon as it is set."

    def act(self, said: dict[str, str]) -> HttpResponse:
        first, second = said["password_1"], said["password_2"]
        person = invitations.accept(said["email"].lower(), said["token"], password_1=first, password_2=second, now=timezone.now())
        return come_in(self.request, person, client=told_client(self.request), remember=False, to=reverse("overview"))


@method_decorator(OPEN, name="dispatch")
class Link(LetterView):
    """Logs in with the link of the mail with the code, in whatever browser it is opened."""

    form_class = LinkForm
    title, label, account = "Log in with this link", "Log in", "challenge:{token}"
    words = "If it was not you who logged in just now, close this page and change your password."

    def act(self, said: dict[str, str]) -> HttpResponse:
        letter = letters.opened_by_link(said["token"], said["code"], now=timezone.now())
        person = letter.user if letter and letter.user and letter.user.is_active else None
        if letter is None or person is None:
            raise Invalid("The link was used, or is too old. Log in again to get a new one.")
        remember = bool(letter.details.get("remember"))
        return come_in(self.request, person, client=told_client(self.request), remember=remember, to=reverse("overview"))


@method_decorator(OPEN, name="dispatch")
class Reset(LetterView):
    """Sets a new password. It does not log in: every client is new again, and a new client needs the second factor."""

    form_class = ResetForm
    title, label, account = "Set a new password", "Set the password", "reset:{token}"
    words = "Everywhere you are logged in now you will be logged out, and every browser has to prove itself again."

    def act(self, said: dict[str, str]) -> HttpResponse:
        reset_password(said["token"], said["new_password_1"], said["new_password_2"], now=timezone.now())
        messages.success(self.request, "Log in with the new password.")
        return redirect("login")


@method_decorator(OPEN, name="dispatch")
class Forgot(LetterView):
    """Mails a link to a new password, if the address belongs to somebody. The answer is the same if it does not."""

    form_class = ForgotForm
    title, label, account = "Forgot your password?", "Mail me a link", "forgot:{email}"
    words = (
        "Say your address. If it belongs to an account, a link to a new password goes there; it works for "
        f"{letters.life_in_words(Letter.Kind.RESET)}."
    )

    def act(self, said: dict[str, str]) -> HttpResponse:
        letters.order(Letter.Kind.RESET, said["email"].lower())
        messages.success(self.request, letters.NEUTRAL)
        return redirect("login")


@method_decorator(never_cache, name="dispatch")
class Address(LetterView):
    """Confirms a new address of the person who is logged in."""

    form_class = AddressForm
    title, label, account = "Confirm your new address", "This is my address", "address:{user.pk}"
    words = "You log in with it from then on, instead of {user.email}."

    @transaction.atomic
    def act(self, said: dict[str, str]) -> HttpResponse:
        person: User = User.objects.select_for_update().get(email=self.request.user.get_username())
        if not has_role(person, "me.secure"):
            raise Forbidden("The address cannot be changed in this session.")
        people.move(person, said["token"], now=timezone.now())
        messages.success(self.request, f"Your address is {person.email} now.")
        return redirect("profile")
