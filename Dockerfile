# saymask on the CPU. Build: docker build -t saymask .
# Run: docker run --rm -v "$PWD:/data" saymask refer kitchen.ply "the grey chair beside the window" --out hit.ply
FROM python:3.12-slim
# uv knows where torch's build for the CPU is; pip would bring GPU libraries of several GB. A GPU: --build-arg TORCH_BACKEND=auto
ARG TORCH_BACKEND=cpu
COPY constraints.txt /tmp/
RUN pip install --no-cache-dir uv && \
    uv pip install --system --no-cache --torch-backend "$TORCH_BACKEND" "$(grep '^torch==' /tmp/constraints.txt)"
COPY . /tmp/saymask
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt '/tmp/saymask[serve,view]' /tmp/saymask/packages/models
RUN useradd --create-home saymask && mkdir /data && chown saymask /data
USER saymask
WORKDIR /data
ENTRYPOINT ["saymask"]
CMD ["--help"]
