# The one image of the cluster: MLflow server, Ray head, workers and search. docker-compose.yml has
# their commands.
#
#     docker build --tag dlf-search .
#     docker build --tag dlf-search --build-arg TORCH_INDEX=https://pypi.org/simple .    # CUDA

# For the same bytes for ever: --build-arg PYTHON_IMAGE=python@sha256:...
ARG PYTHON_IMAGE=python:3.11.13-slim-bookworm
FROM ${PYTHON_IMAGE}

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONPATH=/srv/dlf \
    PYTHONUNBUFFERED=1

WORKDIR /srv/dlf

# torch alone comes from an index of its own, which decides over CPU or CUDA.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY constraints.txt ./
RUN pip install --no-deps --constraint constraints.txt --index-url ${TORCH_INDEX} torch

# Dependencies before the code, so that a changed line does not install them anew.
COPY pyproject.toml ./
RUN touch README.md LICENSE && \
    pip install --constraint constraints.txt '.[cluster,text-offline]'

COPY docker/ray_node_health.py docker/
COPY dlf dlf/
COPY tracking tracking/
COPY search search/

# New volumes are given to the owner of the folder that they are mounted over.
RUN useradd --create-home --uid 1000 dlf && \
    mkdir data runs mlartifacts && \
    chown dlf:dlf data runs mlartifacts
USER dlf

CMD ["python", "search/run.py", "--help"]
