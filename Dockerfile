# An image of the service, without agents. Build your own image FROM it and add them (npm install --global, git, ...).

# Node 22 is in long-term support and satisfies the engines field of package.json. Debian, because agents ship binaries for
# glibc. The digest makes builds of one commit identical.
FROM node:22.22.3-bookworm-slim@sha256:e21fc383b50d5347dc7a9f1cae45b8f4e2f0d39f7ade28e4eef7d2934522b752 AS base
WORKDIR /app

# The manifests first: a change in src does not invalidate the layer with the dependencies.
FROM base AS build
COPY package.json package-lock.json ./
# --ignore-scripts: `prepare` would run the build before src is copied.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json vite.config.ts ./
COPY src ./src
RUN npm run build

FROM base AS dependencies
COPY package.json package-lock.json ./
# The image supports Redis and S3, so it contains the optional packages, in the versions of the lockfile.
RUN node -e "const p = require('./package.json'); \
      for (const name of Object.keys(p.peerDependenciesMeta)) { \
        p.dependencies[name] = p.devDependencies[name]; delete p.devDependencies[name]; } \
      require('node:fs').writeFileSync('package.json', JSON.stringify(p))"
# --ignore-scripts: `prepare` needs the compiler, which is a dev dependency.
RUN npm install --omit=dev --ignore-scripts --no-audit --no-fund

FROM base
# A published port needs a listener on all addresses. The service refuses to start that way without TASK_LOGS_API_TOKEN.
ENV NODE_ENV=production HOST=0.0.0.0
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY --from=build /app/dist ./dist
# Root owns the program, so that agents cannot change it. The service's user owns the log directory.
RUN ln -s /app/dist/cli/main.js /usr/local/bin/tasktrail \
    && mkdir -p /data/logs/tasks /workspace \
    && chown node:node /data/logs/tasks /workspace
# The default working directory of agents. The service looks for tasktrail.config.json here.
WORKDIR /workspace
USER node
VOLUME /data/logs/tasks
# 8000: webhooks and REST. 4318: OTLP.
EXPOSE 8000 4318
# Liveness, not readiness: a restart does not help when the collector is down. Node sends the request; the image has no curl.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 8000}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# The exec form, so that the service receives SIGTERM. Run it with `--init`, which reaps orphan processes of agents.
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["start"]
