# mmgreen in a container, without a compiler and not as root.
#
#   docker build -t mmgreen .
#   docker run --rm --gpus all --shm-size 8g -v "$PWD:/work" mmgreen train configs/mine/detector.py
#   docker run --rm -p 8000:8000 -v "$PWD:/work" -e MMGREEN_PASSWORD=secret mmgreen \
#       serve configs/mine/detector.py detector.onnx --host 0.0.0.0 --allow-host lab-server
#
# PyTorch from PyPI uses a GPU where there is one. For a CPU alone, without what a GPU needs: --build-arg TORCH_INDEX=ADDRESS, that of
# PyTorch's own wheels for CPUs; for exported files on a GPU: --build-arg RUNTIME=onnxruntime-gpu.
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

ARG TORCH_INDEX=
ARG RUNTIME=onnxruntime

# Letters of reports and pictures.
RUN apt-get update && apt-get install -y --no-install-recommends fonts-dejavu-core && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/mmgreen
COPY . .
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install --no-cache-dir -c requirements/constraints.txt --index-url "$TORCH_INDEX" torch torchvision; \
    fi
RUN pip install --no-cache-dir -c requirements/constraints.txt . fastapi uvicorn "$RUNTIME"
RUN pip install --no-cache-dir -c requirements/constraints.txt --no-deps --force-reinstall opencv-python-headless

# Data, configs and results of the machine are mounted here.
RUN useradd --create-home --uid 1000 mmgreen && mkdir /work && chown mmgreen /work
USER mmgreen
WORKDIR /work
ENTRYPOINT ["mmgreen"]
CMD ["--help"]
