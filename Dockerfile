# docker build -t facepair . && docker run --rm --read-only -p 127.0.0.1:8080:8080 facepair
#
#   --target test    the unit tests, compiled and run in the image
#   --target cuda    for NVIDIA GPUs (docker run --gpus all …)
#
# An image holds the program, its libtorch, its models and a dozen small libraries. It asks for no key (--insecure below), so whoever
# reaches the port may ask: publish it on loopback, as above, or behind something that knows its callers.
# tests/image/build builds it where there is no Docker, and says how large each part is.

FROM debian:bookworm-slim AS build
ENV FACEPAIR_CACHE=/cache
WORKDIR /src
# Set-up first and alone: a change to the source does not download libtorch again.
COPY setup setup
RUN setup/setup
COPY CMakeLists.txt CMakePresets.json LICENSE Makefile README.md openapi.yaml ./
COPY cmake cmake
COPY server server
COPY model model
COPY api api
COPY cli cli
# A fifth of libtorch is symbols that only a debugger reads.
RUN cmake --preset default -DBUILD_TESTING=OFF && make models \
    && DESTDIR=/out cmake --install build --prefix /usr --component facepair --strip \
    && strip --strip-unneeded /out/usr/lib/facepair/*

FROM build AS test
RUN setup/packages test
COPY examples examples
COPY tests tests
RUN cmake --preset default -DBUILD_TESTING=ON && cmake --build build \
    && ctest --test-dir build --output-on-failure --tests-regex '^unit[.]'

FROM build AS build-cuda
RUN setup/cuda && cmake --preset default \
    && DESTDIR=/cuda cmake --install build --prefix /usr --component cuda

FROM debian:bookworm-slim AS base
COPY setup/common.sh setup/packages setup/packages-run.txt /setup/
RUN /setup/packages run && rm -rf /setup /var/lib/apt/lists/*
COPY --from=build /out /

# The small libraries for another distribution: without those of the compiler and of glibc, which are older here.
FROM base AS libraries
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN mkdir /libraries && ldd /usr/bin/facepair | awk '$3 ~ "^/lib/x86_64" { print $3 }' \
    | grep -Ev '/lib(c|m|dl|rt|util|pthread|resolv|stdc[+][+]|gcc_s)[.]so' | xargs cp -L -t /libraries

# The base says which drivers it needs and asks the container runtime for the GPU; what libtorch computes with is pinned by setup/cuda.
FROM nvidia/cuda:13.0.1-base-ubuntu24.04 AS cuda
LABEL org.opencontainers.image.title="facepair-cuda" \
      org.opencontainers.image.description="Answers over HTTP whether two photographs show the same person, on an NVIDIA GPU" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=libraries /libraries /usr/lib/facepair/
COPY --from=build /out /
COPY --from=build-cuda /cuda /
ENV LD_LIBRARY_PATH=/usr/lib/facepair
USER 65532:65532
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/9090 && printf 'GET /readyz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["facepair"]
CMD ["serve", "--role", "serve", "--device", "cuda:0", "--lockout", "off", "--insecure", "--listen", "0.0.0.0:8080", "--admin-listen", "off", "--metrics-listen", "0.0.0.0:9090"]

FROM base AS cpu
LABEL org.opencontainers.image.title="facepair" \
      org.opencontainers.image.description="Answers over HTTP whether two photographs show the same person" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"
USER 65532:65532
EXPOSE 8080 9090
# The image has no HTTP client; bash's own /dev/tcp is enough to read a status line.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/9090 && printf 'GET /readyz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["facepair"]
CMD ["serve", "--role", "serve", "--lockout", "off", "--insecure", "--listen", "0.0.0.0:8080", "--admin-listen", "off", "--metrics-listen", "0.0.0.0:9090"]
