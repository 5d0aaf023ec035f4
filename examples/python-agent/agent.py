"""An agent in Python with the stock OpenTelemetry SDK. Nothing in it knows tasktrail.

tasktrail sets OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_RESOURCE_ATTRIBUTES (with the task's id) and TRACEPARENT for every agent
that it runs. Its spans and log records therefore arrive in the task by themselves.
"""
import os
import sys

from opentelemetry import propagate, trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

traces = TracerProvider()
traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
logs = LoggerProvider()
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
tracer = traces.get_tracer("python-agent")
logger = logs.get_logger("python-agent")


def log(event, body):
    """A log record in the current span: a line of type "system" in 03-agent-output.jsonl."""
    logger.emit(LogRecord(event_name=event, body=body, severity_number=SeverityNumber.INFO, severity_text="INFO"))


message = sys.stdin.read().strip()
# The span that tasktrail has opened for this run: ours hang below it. The SDK does not read the variable by itself.
parent = propagate.extract({"traceparent": os.environ.get("TRACEPARENT", "")})

with tracer.start_as_current_span("plan", parent):
    log("plan.made", f"asked for: {message}")
chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "model-1"}
with tracer.start_as_current_span("chat model-1", parent, attributes=chat) as span:
    span.set_attribute("gen_ai.usage.input_tokens", 120)
    span.set_attribute("gen_ai.usage.output_tokens", 30)

# Plain output is recorded as well, a line each. The last lines are the task's result.
print("Nothing to complain about.")

# Both send what waits. Without this the end of the process would lose it.
traces.shutdown()
logs.shutdown()
