# saymask on the CPU. Build: docker build -t saymask .
# Run: docker run --rm -v "$PWD:/data" saymask refer kitchen.ply "the grey chair beside the window" --out hit.ply
FROM python:3.12-slim
# torch first: else pip would bring a build with GPU libraries of several GB. Other machines: --build-arg TORCH_INDEX=URL
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY constraints.txt /tmp/
RUN pip install --no-cache-dir "$(grep '^torch==' /tmp/constraints.txt)" --index-url "$TORCH_INDEX"
COPY . /tmp/saymask
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt '/tmp/saymask[serve,view]' /tmp/saymask/packages/models
RUN useradd --create-home saymask && mkdir /data && chown saymask /data
USER saymask
WORKDIR /data
ENTRYPOINT ["saymask"]
CMD ["--help"]
