# The shop's frontend.  Build from the root of the repository:
#     docker build -f labs/shop/deploy/frontend.Dockerfile -t shop-frontend .
FROM python:3.13-slim
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONPATH=/app SHOP_HOST=0.0.0.0
COPY labs/shop/deploy/frontend.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --disable-pip-version-check -r /tmp/requirements.txt && rm /tmp/requirements.txt
COPY labs/__init__.py labs/errors.py /app/labs/
COPY labs/shop /app/labs/shop
USER 10001:10001
WORKDIR /app
EXPOSE 8080
ENTRYPOINT ["python", "-m", "labs.shop"]
CMD ["frontend"]
