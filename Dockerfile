# Puente in one image: pages, live signalling, a relay worker and, unless PUENTE_REDIS_URL names another, a private
# redis-server. Media is one UDP port (and the same number over TCP, for networks without UDP).
#
#   docker build -t puente .
#   docker run -p 127.0.0.1:8080:8080 -p 40000:40000/udp -p 40000:40000 -v puente:/data \
#       -e PUENTE_MEDIA_ADDRESS=<the host's public address> -e PUENTE_PUBLIC_URL=https://<name> puente

FROM node:22-bookworm-slim AS web
WORKDIR /build/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

FROM python:3.13-slim-bookworm AS python
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv /opt/puente \
    && /opt/puente/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.13-slim-bookworm
# Debian keeps only the newest build of a package, so a pinned one would soon not be found.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends redis-server \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 puente \
    && useradd --uid 10001 --gid puente --home-dir /data --create-home --shell /usr/sbin/nologin puente
WORKDIR /app
COPY --from=python /opt/puente /opt/puente
COPY media/ media/
COPY signaling/ signaling/
COPY server/ server/
COPY --from=web /build/web/dist/ web/dist/
ENV PATH=/opt/puente/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PUENTE_HTTP_HOST=0.0.0.0 \
    PUENTE_DATA_DIR=/data
RUN python -m compileall -q media signaling server
USER 10001:10001
VOLUME /data
EXPOSE 8080/tcp 40000/udp 40000/tcp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ.get('PUENTE_HTTP_PORT', '8080')}/healthz\", timeout=2)"]
ENTRYPOINT ["python", "-m", "server.cli"]
CMD ["serve"]
