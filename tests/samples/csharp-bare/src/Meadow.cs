using HC.Serverless.Function.Common;

namespace Garden
{
    public class Crop
    {
        public string Name { get; set; }
    }

    /// <summary>Relies on what is there.</summary>
    public class Meadow
    {
        [FunctionSerializer(typeof(JsonSerializer))]
        public Crop Mow(Crop crop, IFunctionContext context)
        {
            context.Logger.Log("mowing");
            return crop;
        }
    }
}
