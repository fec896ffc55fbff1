# logforge as an image: built with everything, run with only what is needed, as a user who may write nothing but /data.
FROM node:26-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# The base image is the runtime already: without scripts the npm package `node` brings no second one.
RUN npm ci --ignore-scripts
COPY . .
ARG BUILD_COMMIT=unknown
RUN BUILD_COMMIT=${BUILD_COMMIT} npm run build && npm prune --omit=dev --ignore-scripts

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
# No process of its own around the service: signals reach it, and the launcher execs.
ENTRYPOINT ["/app/bin/logforge"]
CMD ["serve", "--config", "/app/config/examples/config.v1.yaml"]
