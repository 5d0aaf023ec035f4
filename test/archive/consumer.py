# The consumer of the specification, as printed there apart from the bucket, the endpoint, and the import of
# `datetime`, which the printed one uses and does not import. It lists the month unpadded.
import os
from datetime import datetime

# Example: Poll for completed workflows
import boto3
import json

s3 = boto3.client('s3', endpoint_url=os.environ['ENDPOINT'])
bucket = os.environ['BUCKET']
prefix = f'workflow/{datetime.now().year}/{datetime.now().month}/'

response = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
for obj in response.get('Contents', []):
    log = json.loads(s3.get_object(Bucket=bucket, Key=obj['Key'])['Body'].read())
    if log.get('event_type') == 'workflow_complete':
        print(f"Workflow {log['workflow_id']} completed: {log['payload']['status']}")
