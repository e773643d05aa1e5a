# One image for every process; docker-entrypoint.sh says which (web | worker | relay | runtime | feed | migrate | manage).
FROM python:3.11.13-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

WORKDIR /app
RUN python -m venv --without-pip /venv
COPY requirements.txt ./
# Wheels only, so that no compiler is needed; nkeys is pure Python and published only as source.
RUN pip --python /venv/bin/python install --require-hashes --only-binary :all: --no-binary nkeys \
    --requirement requirements.txt

COPY manage.py Procfile docker-entrypoint.sh ./
COPY configsite/ configsite/
COPY strategy_config/ strategy_config/
COPY realtime_runtime/ realtime_runtime/
COPY strategy_core/ strategy_core/
COPY service_kit/ service_kit/
# The root filesystem is read-only later: static files and byte code are made now (that of the packages by pip: ccxt has
# files that do not compile). The key signs nothing that is kept.
RUN SECRET_KEY=unused-at-build-time DJANGO_SETTINGS_MODULE=configsite.settings.base \
    /venv/bin/python manage.py collectstatic --noinput \
    && /venv/bin/python -m compileall -q configsite strategy_config realtime_runtime strategy_core service_kit


FROM python:3.11.13-slim-bookworm

# The image needs no package installers.
RUN python -m pip uninstall --yes --quiet --root-user-action ignore pip setuptools wheel \
    && groupadd --gid 10001 app \
    && useradd --uid 10001 --gid app --no-create-home --home-dir /tmp --shell /usr/sbin/nologin app \
    && install --directory --owner app --group app /var/lib/realtime-strategies

ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=configsite.settings.production \
    CONFIG_SNAPSHOT_PATH=/var/lib/realtime-strategies/config-snapshot.json

WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app

# By number, because Kubernetes cannot tell from a name that the user is not root.
USER 10001:10001
EXPOSE 8080 8081 8082 8083
ENTRYPOINT ["/app/docker-entrypoint.sh"]
CMD ["web"]
