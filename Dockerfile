# The image of wringer alone: no shell, no package manager, a user without rights. From a clone:
#   docker build -t wringer .
#   docker run --rm -v "$PWD:/work" -w /work --network host wringer run scenarios/checkout.yaml --out /tmp/record
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /wringer ./cmd/wringer && mkdir -m 1777 /empty

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chmod=1777 /empty /tmp
COPY --from=build /wringer /usr/local/bin/wringer
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/wringer"]
