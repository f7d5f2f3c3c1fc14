# docker build -t facepair . && docker run --rm --read-only -p 127.0.0.1:8080:8080 facepair
#
# The first stage is `make setup build models install` on Debian; the second holds the program, its libtorch, its model and
# a dozen small libraries. There are no keys yet, so whoever reaches the port may ask: publish it on loopback, as above, or
# behind something that knows its callers.

FROM debian:bookworm-slim AS build
ENV FACEPAIR_CACHE=/cache
WORKDIR /src
# Set-up first and alone: a change to the source does not download libtorch again.
COPY setup setup
RUN setup/setup
COPY . .
RUN cmake --preset default -DBUILD_TESTING=OFF && make install DESTDIR=/out PREFIX=/usr

FROM debian:bookworm-slim
COPY --from=build /src/setup /setup
RUN /setup/packages run && rm -rf /setup /var/lib/apt/lists/*
COPY --from=build /out /
USER 65532:65532
EXPOSE 8080 9090
# The image has no HTTP client; bash's own /dev/tcp is enough to read a status line.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/9090 && printf 'GET /readyz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["facepair"]
CMD ["serve", "--role", "serve", "--lockout", "off", "--insecure", "--listen", "0.0.0.0:8080", "--admin-listen", "off", "--metrics-listen", "0.0.0.0:9090"]
