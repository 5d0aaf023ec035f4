"""An agent with a tool, a stream and an embedding, over the real OpenAI client and the instrumentations that are named.

It knows nothing of tasktrail: endpoint, task and parent span come from the environment.
"""
import os
import sys

import openai
from opentelemetry import _logs, propagate, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

instrumentations = sys.argv[1].split("+")
signals = sys.argv[2] if len(sys.argv) > 2 else "spans+logs"

traces = TracerProvider()
logs = LoggerProvider()
if "spans" in signals:
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
if "logs" in signals:
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
trace.set_tracer_provider(traces)
_logs.set_logger_provider(logs)

if "openai_v2" in instrumentations:
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor as OpenAIV2

    OpenAIV2().instrument()
if "openllmetry" in instrumentations:
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor as OpenLLMetry

    OpenLLMetry().instrument()
if "openinference" in instrumentations:
    from openinference.instrumentation.openai import OpenAIInstrumentor as OpenInference

    OpenInference().instrument(tracer_provider=traces)

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]


def ask(client, messages, stream):
    request = {"model": "gpt-4o", "messages": messages, "tools": TOOLS}
    if not stream:
        message = client.chat.completions.create(**request).choices[0].message
        return message.content, [call.model_dump() for call in message.tool_calls or []]
    text, calls = "", []
    chunks = client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **request)
    for chunk in chunks:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for part in choice.delta.tool_calls or []:
                if part.id:
                    calls.append({"id": part.id, "type": "function", "function": {"name": part.function.name, "arguments": ""}})
                calls[-1]["function"]["arguments"] += part.function.arguments or ""
    return text, calls


def answer(client, question, stream):
    messages = [{"role": "user", "content": question}]
    while True:
        text, calls = ask(client, messages, stream)
        if not calls:
            return text
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        messages += [{"role": "tool", "tool_call_id": call["id"], "content": "sunny"} for call in calls]


def run_openai():
    client = openai.OpenAI()
    print(answer(client, "How is the weather?", stream=False))
    print(answer(client, "And now?", stream=True))
    client.embeddings.create(model="text-embedding-3-small", input="weather")


def run_pydantic_ai():
    from pydantic_ai import Agent
    from pydantic_ai.models.instrumented import InstrumentationSettings
    from pydantic_ai.models.openai import OpenAIChatModel

    Agent.instrument_all(InstrumentationSettings(tracer_provider=traces))
    agent = Agent(OpenAIChatModel("gpt-4o"))

    @agent.tool_plain
    def get_weather(city: str) -> str:
        return "sunny"

    print(agent.run_sync("How is the weather?").output)


parent = propagate.extract({"traceparent": os.environ.get("TRACEPARENT", "")})
with traces.get_tracer("agent").start_as_current_span("work", parent):
    if "pydantic_ai" in instrumentations:
        run_pydantic_ai()
    else:
        run_openai()

traces.shutdown()
logs.shutdown()
