# The service as an image. Agents are not in it: build one FROM it that adds yours (npm install --global, git, ...).

# Node 22: in long-term support, and above the 20.19 that package.json asks for. Debian, because agents ship binaries for
# glibc. A full version, so that two builds of one commit run the same.
FROM node:22.22.3-bookworm-slim AS base
WORKDIR /app

# Only what these files name decides what is installed: a change in src comes after it.
FROM base AS build
COPY package.json package-lock.json ./
# Without scripts: `prepare` would build, and src is not here yet.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

FROM base AS dependencies
COPY package.json package-lock.json ./
# The image can be set to everything, so the optional packages are in it, in the versions of the lockfile.
RUN node -e "const p = require('./package.json'); \
      for (const name of Object.keys(p.peerDependenciesMeta)) { \
        p.dependencies[name] = p.devDependencies[name]; delete p.devDependencies[name]; } \
      require('node:fs').writeFileSync('package.json', JSON.stringify(p))"
# Without scripts here, too: `prepare` needs a compiler that is left out.
RUN npm install --omit=dev --ignore-scripts --no-audit --no-fund

FROM base
# A published port reaches what listens on all addresses. The start refuses that without TASK_LOGS_API_TOKEN.
ENV NODE_ENV=production HOST=0.0.0.0
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY --from=build /app/dist ./dist
# The program stays root's, so that an agent cannot change it; the log directory is the service's own.
RUN ln -s /app/dist/cli/main.js /usr/local/bin/tasktrail \
    && mkdir -p /data/logs/tasks /workspace \
    && chown node:node /data/logs/tasks /workspace
# Where agents work unless they are told otherwise, and where tasktrail.config.json is looked for.
WORKDIR /workspace
USER node
VOLUME /data/logs/tasks
# Webhooks and REST, then OTLP.
EXPOSE 8000 4318
# Alive, not ready: a collector that is away is no reason to start this again. Node itself asks, there is no curl.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 8000}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# No shell in between, so that SIGTERM arrives. Agents leave children behind: run it with `--init`, which reaps them.
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["start"]
