FROM python:3.12-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY pipeline pipeline
COPY workers workers
COPY models models
# All packages come as wheels, so that no compiler is needed; their own tests, a seventh of it all, stay behind.
RUN python -m venv --without-pip /opt/affectstream \
 && pip --python /opt/affectstream/bin/python install --no-cache-dir -c constraints.txt . \
 && find /opt/affectstream -type d -name tests -prune -exec rm -r {} +

FROM python:3.12-slim-bookworm
RUN useradd --uid 10001 --no-create-home affect && install --directory --owner affect /data
COPY --from=build /opt/affectstream /opt/affectstream
ENV PATH=/opt/affectstream/bin:$PATH AFFECTSTREAM_OUT=/data
USER 10001
ENTRYPOINT ["affectstream"]
CMD ["--help"]
