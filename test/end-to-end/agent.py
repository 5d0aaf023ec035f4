# An agent that sends spans and log records with the stock OpenTelemetry SDK for Python. The settings are the standard
# variables OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, and TRACEPARENT for the parent span.
#
#   invoke_agent python-agent          a log record at the start, and one at the end with usage
#     chat model-1                     a log record with a map as its body
#     execute_tool search              with an event
#     execute_tool broken              raises: an exception event, an error status and a log record
#
# Prints the trace id.
import logging
import os

from opentelemetry import propagate, trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

logging.basicConfig()

traces = TracerProvider()
traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
logs = LoggerProvider()
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
tracer = traces.get_tracer("python-agent", "1.0")
logger = logs.get_logger("python-agent", "1.0")


def say(event, body, severity=SeverityNumber.INFO, **attributes):
    logger.emit(
        LogRecord(event_name=event, body=body, severity_number=severity, severity_text=severity.name, attributes=attributes)
    )


parent = propagate.extract({"traceparent": os.environ.get("TRACEPARENT", "")})
agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "python-agent"}
with tracer.start_as_current_span("invoke_agent python-agent", parent, SpanKind.INTERNAL, agent) as root:
    say("agent.start", "I begin: größer als ASCII")
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "model-1", "gen_ai.usage.input_tokens": 120}
    with tracer.start_as_current_span("chat model-1", kind=SpanKind.CLIENT, attributes=chat):
        say("agent.answer", {"text": "I shall search", "parts": [1, 2.5, True], "nested": {"depth": 2}})
    tool = {"gen_ai.operation.name": "execute_tool"}
    with tracer.start_as_current_span("execute_tool search", attributes={**tool, "gen_ai.tool.name": "search"}) as span:
        span.add_event("search.hits", {"count": 3})
    try:
        with tracer.start_as_current_span("execute_tool broken", attributes={**tool, "gen_ai.tool.name": "broken"}):
            raise ValueError("the tool is broken")
    except ValueError as error:
        say("agent.error", str(error), SeverityNumber.ERROR, **{"exception.type": "ValueError"})
    say("agent.end", "I am done", **{"gen_ai.usage.input_tokens": 120, "gen_ai.usage.output_tokens": 30})

print(trace.format_trace_id(root.get_span_context().trace_id))
traces.shutdown()
logs.shutdown()
