# The reference bot under the sidecar. For a bot of your own: change the last COPY and the last line.

FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
# Without pip: what installs stays in this stage.
RUN python -m venv --without-pip /venv
WORKDIR /build
# Dependencies in a layer of their own: it is rebuilt only when they change.
COPY requirements requirements
# The half of zstandard that is for PyPy is 12 MB, and never loaded here.
RUN pip --python /venv/bin/python install --require-hashes -r requirements/run.txt \
 && rm -f /venv/lib/python*/site-packages/zstandard/_cffi.*.so \
 && pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY logrules logrules
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && pip --python /venv/bin/python install --no-deps dist/*.whl

FROM python:3.13-slim-bookworm
# A number, so that a platform can see without /etc/passwd that it is not root. The home folder holds the state file.
RUN useradd --uid 10001 --create-home bot
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
COPY --from=build /venv /venv
WORKDIR /app
COPY bot bot
USER 10001
# What is compiled for this processor is kept: the first start need not, nor has to where the platform's is like it.
# That is two seconds of a whole one, and twenty of a tenth.
RUN yes '' | head -c 100000 | logrules scan -
STOPSIGNAL SIGTERM
# Exec form: the sidecar is process 1, gets the platform's SIGTERM itself and reaps what the bot leaves behind.
CMD ["logrules", "run", "--", "python", "-m", "bot"]
