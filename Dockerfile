# The image of logforge. The first stage builds with all dependencies. The second has only what runs, as a user who may write
# only to /data.
FROM node:26-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# The base image has the runtime. Without install scripts the npm package `node` does not download another.
RUN npm ci --ignore-scripts
COPY . .
ARG BUILD_COMMIT=unknown
# npm leaves the empty folders of what it prunes.
RUN BUILD_COMMIT=${BUILD_COMMIT} npm run build && npm prune --omit=dev --ignore-scripts \
  && find node_modules -type d -empty -delete

FROM node:26-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /build/package.json ./
COPY --from=build /build/bin bin
COPY --from=build /build/config config
COPY --from=build /build/dist dist
COPY --from=build /build/node_modules node_modules
RUN mkdir -p /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8082 8083
ARG BUILD_COMMIT=unknown
LABEL org.opencontainers.image.title="logforge" \
  org.opencontainers.image.description="A log ingestion service: batches of access records in, synced hourly NDJSON files and summaries out" \
  org.opencontainers.image.version="1.0.0" \
  org.opencontainers.image.revision="${BUILD_COMMIT}" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.base.name="docker.io/library/node:26-slim"
# The launcher replaces itself with the service (exec), so signals reach the service.
ENTRYPOINT ["/app/bin/logforge"]
CMD ["serve", "--config", "/app/config/examples/config.v1.yaml"]
