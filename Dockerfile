FROM python:3.12-slim-bookworm
RUN useradd --create-home --uid 10001 affect && mkdir /data && chown affect /data
COPY . /src
RUN pip install --no-cache-dir -c /src/constraints.txt /src && rm -rf /src
USER affect
VOLUME /data
ENV AFFECTSTREAM_OUT=/data
ENTRYPOINT ["affectstream"]
CMD ["--help"]
