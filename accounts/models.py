"""People, the teams they are in, what a team may do on a datastore, and the tokens that act as a person."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models.functions import Lower

from accounts.querysets import TeamQuerySet, TokenQuerySet, UserQuerySet
from orgs.models import Org, StoredSecret


class Role(models.TextChoices):
    """What a person may do in the org as a whole, weakest first."""

    MEMBER = "member", "Member"
    MANAGER = "manager", "Manager"
    ADMIN = "admin", "Admin"


class Level(models.IntegerChoices):
    """What a team may do on a datastore; each level includes those before it."""

    REPORTER = 1, "reporter"
    VIEWER = 2, "viewer"
    DRAFTER = 3, "drafter"
    AUTHOR = 4, "author"
    EDITOR = 5, "editor"


class UserManager(BaseUserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]  # a class made at run time
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A person who logs in by `email`; without a password nobody can until one is set."""
        user: User = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, role=Role.ADMIN, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        found: User = self.people().get(email=(username or "").strip().lower())
        return found


class User(AbstractBaseUser, PermissionsMixin):
    """A person of one org."""

    class Theme(models.TextChoices):
        SYSTEM = "system", "As the system"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    class Clock(models.TextChoices):
        DAY = "24", "24 hours, 15:30"
        HALF = "12", "12 hours, 3:30 pm"

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="users")
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200)
    role = models.CharField(max_length=16, choices=Role, default=Role.MEMBER)

    phone = models.CharField(max_length=20, blank=True, help_text="E.164, such as +4930123456.")
    timezone = models.CharField(max_length=64, blank=True, help_text="Empty: the org's.")
    theme = models.CharField(max_length=8, choices=Theme, default=Theme.SYSTEM)
    clock = models.CharField(max_length=2, choices=Clock, default=Clock.DAY)
    single_keys = models.BooleanField(default=True, help_text="Whether a key alone does something on the pages.")
    inbox_columns = ArrayField(
        models.CharField(max_length=20), null=True, blank=True, help_text="Columns of the inbox that this person chose; null: the usual."
    )
    slack_member_id = models.CharField(max_length=32, blank=True)
    email_alerts = models.BooleanField(default=True, help_text="Whether alerts that name this person reach them by e-mail.")
    onboarding_flags = models.JSONField(default=dict, blank=True, help_text="What a newcomer has been shown already.")

    is_demo = models.BooleanField(default=False, help_text="Reads everything of the org, writes nothing.")
    is_service = models.BooleanField(default=False, help_text="A service account: no person, never logs in, acts through its tokens only.")
    description = models.CharField(max_length=500, blank=True, help_text="Of a service account: what it is for.")
    contact_email = models.EmailField(blank=True, help_text="Of a demo visitor: the address they gave. It is not verified.")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("operator", default=False, help_text="May use the operators' admin, which sees every org.")
    created = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    # The operator who acts as this person in the request at hand; None: they act for themselves.
    acted_by: "User | None" = None

    ONBOARDING_FLAGS: ClassVar[tuple[str, ...]] = (
        "main_intro", "alerts_intro", "alerts_from_search", "training_intro",
        "alert_created", "test_alert_sent", "two_alerts_sent", "pattern_trained",
    )  # fmt: skip

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name", "org"]

    class Meta:
        ordering = ("name", "pk")
        constraints = (
            models.UniqueConstraint(Lower("email"), name="one_user_per_email"),
            # By which people log in, however they type it.
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="email_is_lower"),
        )
        permissions = (("impersonate_user", "Can act as a person"),)

    def __str__(self) -> str:
        return self.name or self.email

    def clean(self) -> None:
        """What is typed into a form becomes the address by which the person logs in."""
        super().clean()
        self.email = self.email.lower()

    @property
    def is_admin(self) -> bool:
        return self.role == Role.ADMIN

    @property
    def is_invited(self) -> bool:
        """Whether this person has yet to choose the first password. A demo user never does."""
        return not (self.has_usable_password() or self.is_demo)

    @property
    def initials(self) -> str:
        words = self.name.split() or [self.email]
        return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()


class Team(models.Model):
    """People who share levels on datastores. Each org has one public team that everybody is in."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="teams")
    name = models.CharField(max_length=200)
    is_public = models.BooleanField(default=False, editable=False)
    members: "models.ManyToManyField[User, TeamMember]" = models.ManyToManyField(User, through="TeamMember", related_name="teams")

    objects = TeamQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints = (
            models.UniqueConstraint(fields=("org", "name"), name="one_team_per_name"),
            models.UniqueConstraint(fields=("org",), condition=models.Q(is_public=True), name="one_public_team_per_org"),
        )

    def __str__(self) -> str:
        return self.name


class TeamMember(models.Model):
    """One person in one team. The public team has no rows: everybody is in it."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.CASCADE)
    user = models.ForeignKey(User, on_delete=models.CASCADE)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("team", "user"), name="once_in_a_team"),)

    def __str__(self) -> str:
        return f"{self.user_id} in {self.team_id}"


class PersonalToken(StoredSecret):
    """Acts as its user, in `Authorization: Bearer`, within its scopes."""

    class Scope(models.TextChoices):
        READ = "read"
        WRITE = "write"
        ADMIN = "admin"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    scopes = ArrayField(models.CharField(max_length=8, choices=Scope), default=list)

    objects = TokenQuerySet.as_manager()  # type: ignore[misc]  # the stubs take a manager of an abstract base for a class variable


class Session(AbstractBaseSession):
    """A person who is logged in somewhere. The key is a keyed hash of the session's id: whoever reads the table cannot get in with it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions")
    began = models.DateTimeField()
    seen = models.DateTimeField(help_text="When it was last used, within ten minutes.")
    address = models.CharField(max_length=45, blank=True, help_text="From where the person logged in.")
    agent = models.CharField(max_length=300, blank=True, help_text="What the client calls itself.")

    class Meta:
        ordering = ("-seen", "session_key")

    def __str__(self) -> str:
        return f"session of {self.user_id}"

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        from accounts.sessions import SessionStore

        return SessionStore


class Impersonation(models.Model):
    """An operator began or ended to act as a person: who, as whom, why, from where. Never altered, never deleted."""

    class Action(models.TextChoices):
        BEGAN = "began", "Began"
        ENDED = "ended", "Ended"

    # The database deletes what an org leaves behind, and a trigger refuses every other deletion.
    org = models.ForeignKey(Org, on_delete=models.DO_NOTHING, related_name="+")
    action = models.CharField(max_length=8, choices=Action)
    operator = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    operator_email = models.EmailField(help_text="As it was then: it stays when the operator is erased.")
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    user_email = models.EmailField(help_text="As it was then.")
    reason = models.CharField(max_length=500)
    address = models.CharField(max_length=45, blank=True)
    request_id = models.CharField(max_length=128, blank=True, help_text="Of the request in the log.")
    created = models.DateTimeField()

    class Meta:
        ordering = ("-created", "-pk")

    def __str__(self) -> str:
        return f"{self.created:%Y-%m-%d %H:%M} {self.operator_email} as {self.user_email}: {self.action}"


class KnownClient(models.Model):
    """A browser or program in which a person has proved the second factor; it holds the secret of which this is the keyed hash."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="clients")
    name = models.CharField(max_length=200, blank=True)
    digest = models.BinaryField(max_length=32, editable=False)
    created = models.DateTimeField(auto_now_add=True)
    last_used = models.DateTimeField()

    class Meta:
        ordering = ("-last_used", "-pk")
        # Two people may share one browser: each has a row of their own for it.
        constraints = (models.UniqueConstraint(fields=("user", "digest"), name="one_row_per_person_and_client"),)

    def __str__(self) -> str:
        return self.name or f"client {self.pk}"


class Authenticator(models.Model):
    """A person's authenticator app. It and we hold one secret from which both make the codes; ours is sealed."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="authenticator")
    sealed_secret = models.BinaryField(editable=False)
    # The 30 seconds of the code that was used last: neither it nor one before it works again.
    last_step = models.BigIntegerField(default=0, editable=False)

    created = models.DateTimeField(auto_now_add=True)
    confirmed = models.DateTimeField(
        null=True, blank=True, help_text="When a first code proved that the app has the secret; empty: not yet."
    )
    last_used = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"authenticator of {self.user_id}"


class RecoveryCode(models.Model):
    """Stands in once for a lost authenticator; only its keyed hash is kept."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.BinaryField(max_length=32, editable=False)
    created = models.DateTimeField(auto_now_add=True)
    used = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("user", "digest"), name="one_row_per_recovery_code"),)

    def __str__(self) -> str:
        return f"recovery code of {self.user_id}"


class Passkey(models.Model):
    """A key pair that a person's device made for this installation (WebAuthn); the private half never leaves the device."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(max_length=100)
    credential_id = models.BinaryField(max_length=1023, unique=True, editable=False)
    credential = models.BinaryField(editable=False)  # attested credential data: the id again, and the public key
    # How often the device has signed, where it counts: a count that does not grow is a copy's.
    sign_count = models.BigIntegerField(default=0, editable=False)

    created = models.DateTimeField(auto_now_add=True)
    last_used = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("created", "pk")

    def __str__(self) -> str:
        return self.name


class Letter(models.Model):
    """A mail that has to go out, and the single-use secret in it. The secret is made when it is sent; only its keyed hash is kept."""

    class Kind(models.TextChoices):
        VERIFY = "verify", "Finish signing up"
        TAKEN = "taken", "Somebody signed up with your address"
        INVITE = "invite", "Invitation"
        RESET = "reset", "New password"
        CHANGED = "changed", "Your password was changed"
        CLOSED = "closed", "The organisation was closed"
        ADDRESS = "address", "Confirm a new address"
        CHALLENGE = "challenge", "Code for a new client"
        SECURITY = "security", "Your account's security changed"
        REPORT = "report", "Reported issue"
        ADMIN_ALERT = "admin_alert", "Admin alert"
        NOTICES = "notices", "What happened to your anomalies"

    org = models.ForeignKey(Org, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind)
    email = models.EmailField()
    details = models.JSONField(default=dict, help_text="What the words of the mail need; no secret.")

    digest = models.BinaryField(max_length=32, null=True, unique=True, editable=False)
    code_digest = models.BinaryField(max_length=32, null=True, editable=False)
    code_tries = models.PositiveSmallIntegerField(default=0)
    expires = models.DateTimeField(null=True, blank=True)
    used = models.DateTimeField(null=True, blank=True)

    created = models.DateTimeField(auto_now_add=True)
    sent = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("-created", "-pk")
        # What the postman has still to send.
        indexes = (models.Index(fields=("created",), condition=models.Q(sent=None), name="letter_unsent"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} to {self.email}"
