# syntax=docker/dockerfile:1
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /crmwatch ./cmd/crmwatch \
    && mkdir -p /var/lib/crmwatch

# The embedded ClickHouse is not in the image: a container talks to a real one.
# The binary still needs a C library, because it could load one.
FROM debian:12.12-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /crmwatch /usr/local/bin/crmwatch
COPY --from=build --chown=65532:65532 /var/lib/crmwatch /var/lib/crmwatch
ENV CRMWATCH_CONFIG=/etc/crmwatch/crmwatch.yml
EXPOSE 9480
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/crmwatch"]
