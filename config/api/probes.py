"""/api/health and /api/status: for probes and people, without a token, without a limit, and therefore coarse."""

from dataclasses import asdict
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config import health
from config.api.fields import MomentField

RETRY_AFTER_S = 5


class AliveSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["ok"])


class ServerSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField(help_text="Whether it answers.")


class ProcessSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField(help_text="Whether it has lately given a sign of life.")
    seconds_ago = serializers.FloatField(allow_null=True, help_text="Since its last sign of life; null when there is none.")


class StatusSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(
        ["ok", "degraded", "unavailable"],
        help_text=(
            "degraded: points are taken, but judged or shown late: a worker, the scheduler or the broker is silent, or for three minutes a "
            "point has been waiting to be judged or a shard has not looked. unavailable: no database."
        ),
    )
    version = serializers.CharField()
    database = ServerSerializer()
    broker = ServerSerializer()
    workers = serializers.DictField(child=ProcessSerializer(), help_text="By queue.")
    beat = ProcessSerializer()
    ingest_lag_s = serializers.FloatField(
        allow_null=True, help_text="How long the oldest received point has been waiting to be judged; 0 when none waits."
    )
    last_detection = MomentField(allow_null=True)


ALIVE = {"ok": True, "seconds_ago": 1.3}
EXAMPLE = OpenApiExample(
    "Everything works",
    value={
        "status": "ok",
        "version": "0.1.0",
        "database": {"ok": True},
        "broker": {"ok": True},
        "workers": {"default": ALIVE, "detect.0": ALIVE, "detect.1": ALIVE},
        "beat": ALIVE,
        "ingest_lag_s": 0.8,
        "last_detection": "2026-05-15T17:22:08.123Z",
    },
    response_only=True,
)


class Probe(APIView):
    """Open to everybody, so that it neither asks who calls nor counts the calls."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    http_method_names: ClassVar[list[str]] = ["get", "head"]  # type: ignore[misc]
    resource: ClassVar[str]


class HealthView(Probe):
    resource = "health"

    @extend_schema(
        tags=["status"],
        summary="Whether this process answers",
        description="Touches neither database nor broker.",
        responses=AliveSerializer,
        examples=[OpenApiExample("Alive", value={"status": "ok"}, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        return Response({"status": "ok"})


class StatusView(Probe):
    resource = "status"

    @extend_schema(
        tags=["status"],
        summary="How every part does",
        description="At most a second old. 503 when the database does not answer.",
        responses={200: StatusSerializer, 503: StatusSerializer},
        examples=[EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        found = health.current()
        headers = {"Cache-Control": "no-store"} | ({} if found.database.ok else {"Retry-After": str(RETRY_AFTER_S)})
        return Response(asdict(found), status=200 if found.database.ok else 503, headers=headers)
